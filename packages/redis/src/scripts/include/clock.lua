-- The server's clock. Part of the step scripts; never run alone.

local call = redis.call
local time = call('TIME')
