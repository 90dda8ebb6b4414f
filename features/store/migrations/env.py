"""How does alembic run our steps? On the connection that `upgrade` hands it, inside that connection's transaction."""

from alembic import context
from sqlmodel import SQLModel

from features.store.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite alters a table by copying it
    transactional_ddl=True,  # with our own BEGIN, SQLite takes back a CREATE TABLE as well
)
context.run_migrations()
