-- From the original's user table, copied to PostgreSQL as users, makes the table of
-- who may log in and who may send what. -1 is what the group says. Expressions speak
-- of numbers with country code and without '+': set number_region.
-- Applications ($A, account_type 2) and expressions of users ($R, 4) do not move: add
-- the senders that they stand for.
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE TABLE senders AS SELECT
  lower(u.email) AS name,
  crypt(nullif(u.password, ''), gen_salt('bf', 10)) AS hash,
  coalesce(nullif(u.smtp_allowed, -1), nullif(g.smtp_allowed, -1), 0) AS may_log_in,
  coalesce(nullif(u.can_use, -1), nullif(g.can_use, -1), 0) AS allowed,
  '\+?(' || coalesce(nullif(u.allowed_numbers, ''), nullif(g.allowed_numbers, '')) || ')' AS numbers_allowed,
  greatest(coalesce(nullif(u.max_len, -1), nullif(g.max_len, -1), 0), 0) AS max_parts
FROM users u LEFT JOIN users g ON g.account_type = 3 AND g.email = '$G' || u.ugroup
WHERE u.account_type = 1;
