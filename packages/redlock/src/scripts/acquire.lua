-- Votes for each request, without waiting: takes it on this node if it is free here.
-- KEYS[1] marker; then for each request its keys, see hold.lua
-- ARGV[1] see node.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4..], for each request: `mode token ttl hint place label`, for p `p token ttl hint place slots limit label`: ttl in ms, all margins
--   included; hint in microseconds; place 1 when the manager waits, else 0; slots joined by commas
-- Returns the same text for each when the node abstains: q<ms>: in quarantine for so long; m<ms>: set up with another maxTtlMs.
--   Else a text for each request: `g<c> <taken>` when granted, or ours already; `b<ms> <who> <taken>` when busy (see obstacle; taken: the
--   slots that others have, for p, and behind them ` limit` when one of these goes by another limit); w when a key of it holds what no lock does; f when the node abstains as its fence holds
--   none; t when ttl is longer than the node allows.

-- include node.lua
-- include deadline.lua

local replies = {}
local why = abstains()
if why then
  for i = 4, #ARGV do
    replies[i - 3] = why
  end
  replies[#ARGV - 2] = now
  return replies
end

-- A little more than any honest client asks for: maxTtlMs, its guard and its drift.
local LONGEST = MAX_TTL * 1.2 + 2000

-- The vote's c: the hint, kept near the clock, or more than the last one. nil when there is no last one that counts.
local function draw(fenceKey, hint)
  local fence = lastOf(fenceKey)
  if not fence then
    return nil
  end
  local c = text(math.max(fence + 1, math.min(math.max(hint, micros - BOUND), micros + BOUND)))
  call('SET', fenceKey, c)
  return c
end

local at, arg = 2, 4

-- Locks that are free here and for which nobody waits, the common case, before anything else is set up.
while ARGV[arg] do
  local owner, ttl, hint, label = match(ARGV[arg], '^x (%x+) (%d+) (%d+) [01] (.*)$')
  if not owner or tonumber(ttl) > LONGEST or call('EXISTS', KEYS[at], KEYS[at + 1]) > 0 then
    break
  end
  local c = draw(KEYS[at + 2], tonumber(hint))
  if c then
    call('SET', KEYS[at], owner .. ':' .. c .. ':' .. label, 'PX', ttl)
  end
  replies[arg - 3] = c and 'g' .. c or 'f'
  at, arg = at + 3, arg + 1
end
if not ARGV[arg] then
  replies[arg - 3] = now
  return replies
end

-- include alone.lua
-- include hold.lua
-- include waiters.lua

local function vote(k, mode, owner, ttl, hint, waits, slots, limit, label)
  if ttl > LONGEST then
    return 't'
  end
  sweep(k)
  if waits then
    -- Before any write: a key that another program took.
    call('HGET', k.waiters, '')
  end
  local c, had = found(k, mode, owner)
  if c then
    -- Asked twice: the same vote, and it lasts as long as the second request says.
    prolong(k, mode, owner, had, ttl)
    return 'g' .. c
  end
  local permits = 1
  if mode == 'p' then
    permits = select(2, string.gsub(slots, '%d+', ''))
  end
  local left, who = obstacle(k, mode, slots)
  if not left and mode == 'r' then
    left, who = writersWaitFor(k), '*'
  end
  if left then
    if mode == 'x' and stringAt(k.hold) == false then
      return 'w'
    end
    if waits then
      enrol(k, mode, permits, limit)
      if mode == 'w' and (left < 0 or left > WRITER_POLL_MS) then
        left = WRITER_POLL_MS
      end
    end
    return 'b' .. text(left) .. ' ' .. who
  end
  c = draw(k.fence, hint)
  if not c then
    return 'f'
  end
  place(k, mode, owner, c, slots, ttl, label, limit)
  if waits then
    leave(k, mode, permits, limit)
  end
  return 'g' .. c
end

local function voteAndTell(k, mode, owner, ttl, hint, waits, slots, limit, label)
  local reply = vote(k, mode, owner, ttl, hint, waits, slots, limit, label)
  return mode == 'p' and reply .. ' ' .. takenSlots(k, owner, limit) or reply
end

for i = arg, #ARGV do
  local mode, owner, ttl, hint, waits, label = match(ARGV[i], '^(%a) (%x+) (%d+) (%d+) ([01]) (.*)$')
  local slots, limit = '', '1'
  if mode == 'p' then
    slots, limit, label = match(label, '^([%d,]+) (%d+) (.*)$')
  end
  local k
  k, at = keysOf(mode, at)
  replies[i - 3] = alone('w', voteAndTell, k, mode, owner, tonumber(ttl), tonumber(hint), waits == '1', slots, limit, label)
end
replies[#ARGV - 2] = now
return replies
