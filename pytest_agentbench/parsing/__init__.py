"""How a reply parses as JSON, and whether it fits a schema."""
