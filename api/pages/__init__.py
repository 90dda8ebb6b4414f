"""What does a person see in a browser? Pages for anchors, brands and operators, drawn on the server."""
