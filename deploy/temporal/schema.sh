#!/bin/sh
# Brings the two databases of Temporal to the schema of this temporal-sql-tool; changes nothing where they have it.
# Run it before a server is started for the first time, and before each one of a newer version.
#
# SQL_HOST, SQL_PORT, SQL_USER, SQL_TLS, SQL_TLS_CA_FILE ... as temporal-sql-tool(1) takes them, and
# SQL_PASSWORD_FILE. The databases exist already: `createdb --owner temporal temporal`, and `temporal_visibility`.
set -eu

SQL_PLUGIN=postgres12_pgx
SQL_PASSWORD=$(cat "${SQL_PASSWORD_FILE:-/etc/temporal/db-password}")
export SQL_PLUGIN SQL_PASSWORD

for database in temporal temporal_visibility; do
  schema=${database#temporal_}
  # Makes the tables that say which version is there, where there are none.
  temporal-sql-tool --database "$database" setup-schema --version 0.0
  temporal-sql-tool --database "$database" update-schema --schema-name "postgresql/v12/$schema"
done
