"""How we learn: past outcomes become tonight's model, if it wins."""
