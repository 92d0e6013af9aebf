-- KEYS[1] mark
-- Returns 1 when the mark stands, else 0.

return redis.call('EXISTS', KEYS[1])
