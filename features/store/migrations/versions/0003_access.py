"""What came third? What the doors keep: keys, answers to writes, hidden goods, the feeds' limits of age.

And a way to what became of recommendations, by anchor and by SKU, past all that was merely shown.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_table(
        "idempotent_answers",
        sa.Column("caller", sa.String(length=96), nullable=False),
        sa.Column("idempotency_key", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "idempotency_key"),
    )
    op.create_index("ix_idempotent_answers_created_at", "idempotent_answers", ["created_at"], unique=False)
    op.create_table(
        "hidden_goods",
        sa.Column("anchor_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=400), nullable=False),
        sa.Column("hidden_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("anchor_id", "kind", "value"),
    )
    op.create_table(
        "feed_limits",
        sa.Column("table_name", sa.String(length=64), nullable=False),
        sa.Column("max_age_hours", sa.Integer(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("table_name"),
    )
    for key in ("anchor_id", "sku_id"):
        op.create_index(
            f"ix_feedback_{key}",
            "feedback",
            [key],
            unique=False,
            sqlite_where=sa.text("kind <> 'shown'"),
            postgresql_where=sa.text("kind <> 'shown'"),
        )
