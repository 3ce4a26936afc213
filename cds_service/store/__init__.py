"""Keep what was shown and what users did with it: card ledger, feedback, seen tokens.

    database      one engine for SQLite or PostgreSQL, and what an outage looks like
    upgrade       bring a database to the newest migration
    schema        the tables
    write_behind  the thread that writes what may be lost
    cards         the ledger of cards
    tokens        the tokens already used
    feedback      what must not be lost
    report        what the three together tell
    retention     how long it is kept

No patient and no card text is in any table. Time always comes in as a parameter.
"""
