"""Conversations, their turns, and what they cost."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "claims",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_claims"),
    )
    op.create_index("ix_claims_expires_ms", "claims", ["expires_ms"])
    op.create_table(
        "conversations",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("titled_by", sa.Text(), nullable=False),
        sa.Column("model", sa.Text()),
        sa.Column("thread", sa.Text()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", name="pk_conversations"),
    )
    op.create_index(
        "ix_conversations_last_ms_conversation_id", "conversations", ["last_ms", "conversation_id"]
    )
    op.create_index(
        "ix_conversations_user_last_ms_conversation_id",
        "conversations",
        ["user", "last_ms", "conversation_id"],
    )
    op.create_table(
        "paused_turns",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("paused", sa.Text(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("answers", sa.Text()),
        sa.Column("answered_by", sa.Text()),
        sa.Column("answered_ms", sa.BigInteger()),
        sa.Column("collected", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_paused_turns"),
    )
    op.create_index("ix_paused_turns_expires_ms", "paused_turns", ["expires_ms"])
    op.create_table(
        "quotas",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("period_began_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "user", name="pk_quotas"),
    )
    op.create_table(
        "reservations",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("period_began_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "name", name="pk_reservations"),
    )
    op.create_table(
        "starts",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_starts"),
    )
    op.create_index("ix_starts_user_started_ms", "starts", ["user", "started_ms"])
    op.create_table(
        "turns",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("resumes", sa.Text()),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("touched_ms", sa.BigInteger(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("attachments", sa.Text(), nullable=False),
        sa.Column("redactions", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text()),
        sa.Column("outcome", sa.Text()),
        sa.Column("code", sa.Text()),
        sa.Column("finish_reason", sa.Text()),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("tool_calls", sa.Text(), nullable=False),
        sa.Column("tool_results", sa.Text(), nullable=False),
        sa.Column("shields", sa.Text(), nullable=False),
        sa.Column("referenced_documents", sa.Text(), nullable=False),
        sa.Column("rag_chunks", sa.Text(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("usage", sa.Text(), nullable=False),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.conversation_id"],
            name="fk_turns_conversation_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("request_id", name="pk_turns"),
    )
    op.create_index(
        "ix_turns_conversation_id_began_ms_request_id",
        "turns",
        ["conversation_id", "began_ms", "request_id"],
    )
    op.create_index("ix_turns_ended_ms", "turns", ["ended_ms"])
    op.create_index(
        "ix_turns_running",
        "turns",
        ["touched_ms"],
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "opinions",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("sentiment", sa.Integer()),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("categories", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["turns.request_id"], name="fk_opinions_request_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("request_id", name="pk_opinions"),
    )
