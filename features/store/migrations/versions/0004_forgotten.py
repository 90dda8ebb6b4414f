"""What came fourth? The record of anchors whose personal data was forgotten on request."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "forgotten_anchors",
        sa.Column("anchor_id", sa.String(length=64), nullable=False),
        sa.Column("forgotten_at", sa.BigInteger(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("done_by", sa.String(length=96), nullable=False),
        sa.Column("n_versions", sa.Integer(), nullable=False),
        sa.Column("n_audience_rows", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("anchor_id", "forgotten_at"),
    )
