"""Who owns a turn, as Redis keeps it: programs that each run as a whole.

A process owns a turn while its lease lasts. Who takes a turn over raises its fencing number, and
from then on nothing is taken from whoever has the old one.
"""

from service.storage.redis.connection import Script

UNKNOWN = -1
FENCED = -2
_BEHIND = -3

OPEN = Script(
    """
-- KEYS: turn, log, running, lease
-- ARGV: request id, owner, fence, conversation id, estate, ms a turn can run, ms a lease lasts,
--       user
redis.call('SET', KEYS[4], '1', 'PX', ARGV[7])
local held = redis.call('HMGET', KEYS[1], 'fence', 'latest', 'owner', 'ended')
if not held[1] then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'fence', ARGV[3], 'latest', '0',
      'conversation', ARGV[4], 'estate', ARGV[5], 'user', ARGV[8])
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
  held = {ARGV[3], '0', ARGV[2], false}
end
if held[3] == ARGV[2] and not held[4] then
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[3], ARGV[6])
end
return {tonumber(held[1]), tonumber(held[2])}
"""
)
"""Take a new turn, or one that Redis has lost; returns the fence of a turn, and how far it is."""

APPEND = Script(
    """
-- KEYS: turn, log, running
-- ARGV: request id, fence, ms a turn can run, ms to keep it when this ends it or '',
--       first number that is still kept, how many are kept or '', digest or '',
--       then number, payload and rest of each emission
local held = redis.call('HMGET', KEYS[1], 'fence', 'latest')
if not held[1] then return -1 end
if held[1] ~= ARGV[2] then return -2 end
local latest = tonumber(held[2])
-- A Redis that is short of memory may give up a log without its turn.
if latest > 0 and redis.call('EXISTS', KEYS[2]) == 0 then latest = 0 end
-- Who waits no more for an append may have sent it all the same, and it comes late.
if tonumber(ARGV[#ARGV - 2]) < latest then return latest end
local first = tonumber(ARGV[8])
if first > latest + 1 and first > tonumber(ARGV[5]) then return -3 - latest end
local new = latest == 0
for at = 8, #ARGV, 3 do
  local number = tonumber(ARGV[at])
  if number > latest then
    if ARGV[at + 2] == '' then
      redis.call('XADD', KEYS[2], ARGV[at] .. '-0', 'p', ARGV[at + 1])
    else
      redis.call('XADD', KEYS[2], ARGV[at] .. '-0', 'p', ARGV[at + 1], 'r', ARGV[at + 2])
    end
    latest = number
  end
end
if ARGV[6] ~= '' then redis.call('XTRIM', KEYS[2], 'MAXLEN', ARGV[6]) end
redis.call('HSET', KEYS[1], 'latest', latest)
if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'digest', ARGV[7]) end
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'ended', '1')
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
  redis.call('HDEL', KEYS[3], ARGV[1])
elseif new then
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return latest
"""
)
"""Append to a turn; what is there stays, so that it can be said twice.

Returns the number of the last emission, or UNKNOWN, FENCED, or what `behind` reads.
"""

ADOPT = Script(
    """
-- KEYS: turn, log, running, lease of the owner
-- ARGV: request id, owner, heir, ms a turn can run
if redis.call('EXISTS', KEYS[4]) == 1 then return 0 end
local held = redis.call('HMGET', KEYS[1], 'owner', 'ended')
if held[1] ~= ARGV[2] or held[2] then
  if not held[1] or held[2] then redis.call('HDEL', KEYS[3], ARGV[1]) end
  return 0
end
redis.call('HSET', KEYS[1], 'owner', ARGV[3])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return redis.call('HINCRBY', KEYS[1], 'fence', 1)
"""
)
"""Take over the turn of a process whose lease has ended; returns its fence, or 0."""

FORGET = Script(
    """
-- KEYS: turn, log
-- ARGV: ms a turn is kept when it has ended
local held = redis.call('HMGET', KEYS[1], 'fence', 'ended')
if held[1] and not held[2] then
  redis.call('HSET', KEYS[1], 'forgotten', '1')
  return
end
redis.call('UNLINK', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'forgotten', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""
)
"""Delete a turn that has ended, or see to it that nobody reads one when it has.

Who has driven it has all of it in its memory, so this is kept for as long as that is.
"""


def behind(reply: int) -> int | None:
    """Return the number that Redis has come to when it lacks what comes before an append."""
    return _BEHIND - reply if reply <= _BEHIND else None
