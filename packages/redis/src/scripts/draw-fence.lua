-- Draws a fence by its key alone: see take-moving.lua.
-- KEYS[1] fence
-- ARGV[1] see clock.lua
-- Returns {the fence, or FENCE when the key holds none; the time}.

-- include clock.lua
-- include fence.lua

return { nextFence(KEYS[1]) or 'FENCE', now }
