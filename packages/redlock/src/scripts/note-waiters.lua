-- Notes how many waiters of this manager stand in line for each name, and since when. For inspect.lua; nothing is decided by it.
-- KEYS[1] marker; then for each name the key of its lines, a hash: `<id>` -> `<waiters> <since> <until>` (ms)
-- ARGV[1] see node.lua; then for each name `waiters waited valid`: for how many ms the first of them has waited; for how long to believe it, in ms
-- Returns 1 for each, and the time.

-- include node.lua
-- include alone.lua

-- What managers have left that are gone would stay for as long as anybody waits.
local function forgetOver(key)
  local lines = call('HGETALL', key)
  for i = 1, #lines, 2 do
    local over = match(lines[i + 1], ' (%d+)$')
    if not over or tonumber(over) <= now then
      call('HDEL', key, lines[i])
    end
  end
end

local function note(key, waiters, waited, valid)
  if waiters == '0' then
    call('HDEL', key, MANAGER)
  else
    call('HSET', key, MANAGER, waiters .. ' ' .. text(now - waited) .. ' ' .. text(now + valid))
    call('PEXPIRE', key, valid)
    forgetOver(key)
  end
end

local replies = {}
for i = 2, #ARGV do
  local waiters, waited, valid = match(ARGV[i], '^(%d+) (%d+) (%d+)$')
  alone(nil, note, KEYS[i], waiters, waited, valid)
  replies[i - 1] = 1
end
replies[#ARGV] = now
return replies
