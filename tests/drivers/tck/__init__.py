"""The openCypher TCK over the wire: reading features, and running them through psycopg."""
