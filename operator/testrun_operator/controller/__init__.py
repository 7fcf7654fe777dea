"""The imperative shell: kopf hands over what happened, the engine says what is to be done, and this does it."""
