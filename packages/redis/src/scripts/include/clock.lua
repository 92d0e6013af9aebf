-- The server's clock, in microseconds and milliseconds. Part of the step scripts; never run alone.

local call = redis.call
local time = call('TIME')
local nowUs = time[1] * 1000000 + time[2]
local now = math.floor(nowUs / 1000)
