"""The CDS Hooks protocol: which services exist, what a request is, how a card is written."""
