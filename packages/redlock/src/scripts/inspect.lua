-- Who has votes of one name on this node, and how many wait. Changes nothing but that it forgets what has expired.
-- KEYS[1] marker, then the keys of the name, see hold.lua, then that of its lines, see note-waiters.lua
-- ARGV[1] see node.lua   ARGV[2] mode: x, p, or w for both of r and w
-- Returns {{number of waiters, for how many ms the first of them has waited or -1, then for each holder: mode, 16 digits of its token or '' for
--   a value that is not ours, c, permits, label, ms left or -1, ms since it was granted or -1}, the time}; {{-1}, the time} when the key holds
--   something else than a lock.

-- include node.lua
-- include hold.lua
-- include waiters.lua

local mode = ARGV[2]
local k, linesAt = keysOf(mode, 2)
sweep(k)
local count, first, noted = 0, now + 1, {}
local lines = call('HGETALL', KEYS[linesAt])
for i = 1, #lines, 2 do
  local waiters, since, over = match(lines[i + 1], '^(%d+) (%d+) (%d+)$')
  if over and tonumber(over) > now then
    noted[lines[i]] = true
    count, first = count + waiters, math.min(first, tonumber(since))
  end
end
-- A manager that has just begun to wait has noted nothing yet.
local readers, others = waiting(k)
for _, list in ipairs({ readers, others }) do
  for _, waiter in ipairs(list) do
    if not noted[waiter.id] then
      count, first = count + 1, math.min(first, waiter.since)
    end
  end
end
local reply = { count, now - first }
local function add(held, id, c, permits, label, left)
  -- A token is the time of the grant in microseconds, as the holder's client and this node have agreed.
  local age = id ~= '' and math.max(0, math.floor((micros - c) / 1000)) or -1
  for _, value in ipairs({ held, id, c, permits, label, left, age }) do
    reply[#reply + 1] = value
  end
end
if mode ~= 'p' then
  local held = stringAt(k.hold)
  if held == false then
    return { { -1 }, now }
  end
  if held then
    local owner, c, label = match(held, '^(%x+):(%d+):(.*)$')
    if owner and #owner == 32 then
      add(mode, sub(owner, 1, 16), c, 1, label, call('PTTL', k.hold))
    else
      add(mode, '', 0, 1, '', call('PTTL', k.hold))
    end
  end
end
if k.set then
  local entries = call('ZRANGE', k.set, 0, -1, 'WITHSCORES')
  local seen = {}
  for i = 1, #entries, 2 do
    local owner = match(entries[i], '^[^:]*')
    local entry = not seen[owner] and call('HGET', k.info, owner)
    seen[owner] = true
    if entry and mode == 'p' then
      local c, slots, label = match(entry, '^(%d+):([%d,]*)[/%d]*:(.*)$')
      local _, permits = string.gsub(slots, '%d+', '')
      add('p', sub(owner, 1, 16), c, permits, label, entries[i + 1] - now)
    elseif entry then
      local c, label = match(entry, '^(%d+):(.*)$')
      add('r', sub(owner, 1, 16), c, 1, label, entries[i + 1] - now)
    end
  end
end
return { reply, now }
