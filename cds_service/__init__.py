"""A CDS Hooks service for one question: is long-term opioid therapy renewed despite social pain?"""
