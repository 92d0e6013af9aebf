-- Sets a completion mark unless it stands.
-- KEYS[1] mark
-- ARGV[1] see clock.lua   ARGV[2] for how long, ms
-- Returns {1 when it was set, 0 when it stood already; the time}.

-- include clock.lua

return { call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[2]) and 1 or 0, now }
