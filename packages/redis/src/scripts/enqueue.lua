-- Takes the hold if nobody waits in front, else takes a place in the queue; says that the manager is alive.
-- KEYS x: lock, waiters, fence   p: permits, info, waiters   r, w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4] mode   ARGV[5] owner token   ARGV[6] ttl ms (guard included)
-- ARGV[7] the waiter's place, a member of the waiters   ARGV[8] its former score, '' when it comes for the first time
-- ARGV[9] 1 if it is the manager's only one for this name, else 0
-- Returns {{the answer as acquire.lua gives it, the score of the place taken or '', 0 when the manager was not known to be
--   alive: its other places, if it had any, may have been dropped and have to be taken again; else 1; the time}, the time}.

-- include clock.lua
-- include deadline.lua
-- include fence.lua
-- include hold.lua
-- include waiters.lua
-- include grant.lua

local mode, owner, ttl, member, score, isOnly = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9] == '1'
local k = keysOf(mode, 1)
local own = placeOf(member)

local known = call('ZSCORE', k.waiters, 'f' .. MANAGER) and 1 or 0
enter(k, 'f' .. MANAGER, ALIVE_MS)
local reply = again(k, mode, owner, ttl)
if not reply then
  if score == '' then
    local last = tonumber(call('ZRANGE', k.waiters, -1, -1, 'WITHSCORES')[2]) or 0
    score = string.format('%.0f', math.max(time[1] * 1000000 + time[2], last + 1))
  end
  call('ZADD', k.waiters, score, member)
  dropExpired(k)
  local head = liveHead(k)
  if head and head.member == member and fits(k, mode, own.permits, own.limit) then
    reply = grant(k, mode, owner, ttl, own.label, own.permits, own.limit)
  else
    handOn(k)
    reply = refuse(k, mode, own.permits, own.limit)
  end
end
local told = mode == 'p' and withLimits(k, reply, own.limit) or reply
if type(reply) == 'number' then
  return { { told, score, known, now }, now }
end
leave(k, owner, member, isOnly)
handOn(k)
return { { told, '', 1, now }, now }
