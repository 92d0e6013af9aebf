-- Sets a completion mark unless it stands.
-- KEYS[1] mark   ARGV[1] for how long, ms
-- Returns 1 when it was set, 0 when it stood already.

return redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) and 1 or 0
