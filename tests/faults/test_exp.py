import asyncio, pytest
from tests.support.faults.model_server import Speech, counting, words
from tests.support.fixtures import anyio_backend
from tests.support.replicas import replicas
async def test_x():
    async with replicas(2, redis_lease_s="1.0") as here:
        for n in range(6):
            q=f"Q{n}"
            here.model.says(q, Speech(counting(6000), pace_s=0.0005))
            r = here.reader(here.each[n%2]); await r.ask(q); await r.read(events=200)
            owner = await here.owner(q); [other]=here.others(owner)
            o = here.reader(other, of=r); await o.resume(); await o.read(events=200)
            t=asyncio.create_task(o.follow())
            t2=asyncio.create_task(r.follow())
            await asyncio.sleep(0.05*n)
            owner.stop()
            await t
            owner.go_on()
            await t2
            print("owner reader:", [(v.ending, len(v.events), v.status) for v in r.visits], "gaps", [e.payload for e in r.events if e.name=="gap"], "last other", o.numbered[-1].id, 'last own', r.numbered[-1].id, max(int(e.id) for e in r.numbered))
            k={e.id:e.payload for e in o.numbered}
            print("differ", [ (e.id) for e in r.numbered if k.get(e.id)!=e.payload][:5])
