"""What goes in and out over HTTP? Shapes that OpenAPI, the checks of input and a generated client share."""
