"""Reading tensors one by one takes the memory of one tensor, not of the file."""

from pathlib import Path

import pytest
import torch

from tests._checkpoint_files import in_new_process, write_sharded

MEGABYTE = 2**20
TENSOR = (
    40 * MEGABYTE
)  # above 32, glibc takes and returns each block by itself: no heap to fragment
COUNT = 8
MAPPED = 8 * MEGABYTE  # read through one mapping of a torch file before it is dropped
SLACK = 8 * MEGABYTE

READ = """
import sys
import torch
from eigenscape.checkpoints import open_checkpoint

def peak():
    with open("/proc/self/status") as status:  # getrusage would count the parent's peak as well
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

open_checkpoint({"warm": torch.ones(1)})["warm"]
before = peak()
for source in sys.argv[1:]:
    total = 0
    for name, tensor in open_checkpoint(source).items():
        total += tensor.view(-1)[::1024].long().sum().item()
    print(peak() - before, total)
kept = list(open_checkpoint(source).values())
print(peak() - before, total)
"""


@pytest.mark.slow
def test_reading_one_by_one_takes_three_tensors_at_most(tmp_path):
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak is read from /proc, which this system lacks")
    tensors = {
        f"layers.{number}.weight": torch.full((TENSOR // 1024, 1024), number, dtype=torch.uint8)
        for number in range(COUNT)
    }
    folder = write_sharded(tmp_path / "model", tensors, shards=3)
    torch.save(tensors, tmp_path / "model.pt")

    lines = in_new_process(READ, folder, tmp_path / "model.pt").splitlines()
    (sharded, *totals), (zipped, _), (kept, _) = [list(map(int, line.split())) for line in lines]
    assert totals == [sum(range(COUNT)) * TENSOR // 1024]
    assert sharded <= 3 * TENSOR + SLACK
    assert zipped <= 3 * TENSOR + MAPPED + SLACK
    assert kept >= COUNT * TENSOR  # the measure does see what is kept
