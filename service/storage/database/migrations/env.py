"""What Alembic runs to make the changes: over the connection that it is given."""

from alembic import context

from service.storage.database.migrations import VERSION_TABLE
from service.storage.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # SQLite changes a table by making another one.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
