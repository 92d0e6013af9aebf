-- The server's clock, in ms. Part of the step scripts; never run alone.
-- Every script answers with a list whose last element is this time.
-- ARGV[1] of every script: 1<id> where the receivers of PUBLISH can be counted, else 0<id> (in a cluster only those on the same node
-- are); <id> is the asking manager's.

local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
