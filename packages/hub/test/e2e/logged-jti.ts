// The `jti` of an entry about an event, in SQL: debug data stands at the sixth place of a row (storage/stores/log-row.ts).
export const jtiOnSqlite = `event ->> '$[5].jti'`
export const jtiOnPostgres = `event::json #>> '{5,jti}'`
