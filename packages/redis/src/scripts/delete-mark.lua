-- Takes a completion mark away.
-- KEYS[1] marks   KEYS[2] ends, see mark.lua
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua   ARGV[4] name
-- Returns {1 when it stood, else 0; the time}.

-- include clock.lua
-- include deadline.lua
-- include mark.lua

local stood = markOf(KEYS[1], ARGV[4]) and 1 or 0
call('HDEL', KEYS[1], ARGV[4])
call('ZREM', KEYS[2], ARGV[4])
return { stood, now }
