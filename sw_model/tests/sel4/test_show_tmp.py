import pytest
from test_storms_x import Storm, share
from rel4.kernel import policies as P
from rel4.kernel.policies import Inline, Uipi
DESIGNS={
 "inline keeps the lock": [(Inline,"preemptible",False)],
 "inline has no end": [(Inline,"gives_way",lambda *a: False)],
 "served in others' slices": [(Uipi,"_due",staticmethod(lambda runtime, task: task.tcb.priority >= runtime.harts.urgency))],
 "no allowance": [(Uipi,"ALLOWANCE",1<<40)],
 "no budget": [(Uipi,"budget",lambda self, task: None),(Uipi,"gives_way",lambda *a: False)],
 "uipi keeps the lock": [(Uipi,"preemptible",False)],
 "less urgent clients too": [(Uipi,"_due",staticmethod(lambda runtime, task: True))],
}
@pytest.mark.parametrize("name",DESIGNS)
def test_it(run_program,monkeypatch,name):
    for a in DESIGNS[name]: monkeypatch.setattr(*a)
    inl = name.startswith("inline")
    out=[]
    for seed in range(160):
        s=Storm.of(seed)
        if inl != (s.policy in ("inline",)) and s.policy!="adaptive": continue
        try: x=share(run_program,s)
        except Exception as e: out.append((seed,repr(e)[:60])); continue
        if x<s.least-0.01: out.append((seed,s.policy,round(x,3)))
    print(name,out[:12],len(out))
