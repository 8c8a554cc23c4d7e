"""The thread that a turn has taken, so that it is not lost with its process."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column."""
    op.add_column("turns", sa.Column("came_from", sa.Text()))
