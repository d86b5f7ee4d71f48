"""What the peers' own tests ask, asked of the gate: each case is a row of the table that names its source."""
