-- KEYS[1] mark
-- ARGV[1] see clock.lua
-- Returns {1 when the mark stands, else 0; the time}.

-- include clock.lua

return { call('EXISTS', KEYS[1]), now }
