"""Elections by a PostgreSQL database; for programs only: it keeps no log."""
