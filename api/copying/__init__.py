"""How is all that would be missed copied, checked and put back? The store, the models, and feedback on its way.

    copy/
        manifest.json            what is in it, and the SHA-256 of every file; written last
        store.db                 a SQLite store, or store.dump: a PostgreSQL store, by pg_dump
        models/                  as in a home: a folder a model, and champion.json
        journal/                 feedback that was answered and is not in the store yet

Not in it: the file `secret` of the home. With it and with the store, which every copy holds, whoever reads a copy
could sign in as anybody; without it people sign in again. Nor the policy, which is configuration.
"""
