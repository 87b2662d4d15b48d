r"""The largest Hessian eigenvalue of a real language model, against bare products and curvlinops.

    pip install tqdm && pip install --no-deps curvlinops-for-pytorch==3.0.1 \
        backpack-for-pytorch einops einconv linear_operator opt-einsum
    python benchmarks/hessian_language.py SMOLLM2 TEXT

SMOLLM2 is the folder of the model, TEXT a text file; its first 64 tokens are one batch. Each way
runs in a process of its own, one after the other, on one thread. Seconds are those of the
processor: other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

PRODUCTS = 15


def batch_of(folder, text, tokens):
    from transformers import AutoTokenizer

    head = Path(text).read_text()[: 100 * tokens]
    words = AutoTokenizer.from_pretrained(folder)(head, add_special_tokens=False)
    ids = torch.tensor(words["input_ids"])[None, :tokens]
    return {"input_ids": ids, "labels": ids}


def model_of(folder):
    from transformers import AutoModelForCausalLM

    kept = {"attn_implementation": "eager", "dtype": torch.float32}
    model = AutoModelForCausalLM.from_pretrained(folder, **kept).eval()
    model.config.use_cache = False
    return model


def bare(model, batch, matrix):
    """Products of autograd alone: one graph, random vectors, nothing done with the products."""
    parameters = list(model.parameters())
    start = time.process_time()
    answer = model(**batch)
    if matrix == "hessian":
        slopes = torch.autograd.grad(answer.loss, parameters, create_graph=True)
        before = time.process_time() - start

        def product(vectors):
            return torch.autograd.grad(slopes, parameters, vectors, retain_graph=True)
    else:
        logits, labels = answer.logits[0, :-1], batch["labels"][0, 1:]
        knob = torch.zeros_like(logits, requires_grad=True)
        pulled = torch.autograd.grad(logits, parameters, knob, create_graph=True)
        chances = logits.detach().softmax(-1) / len(labels)
        before = time.process_time() - start

        def product(vectors):
            (pushed,) = torch.autograd.grad(pulled, knob, vectors, retain_graph=True)
            weighted = chances * pushed
            bent = weighted - chances * weighted.sum(-1, keepdim=True) * len(labels)
            return torch.autograd.grad(logits, parameters, bent, retain_graph=True)

    spent = []
    vectors = [torch.randn_like(p) for p in parameters]
    for _ in range(PRODUCTS):
        start = time.process_time()
        product(vectors)
        spent.append(time.process_time() - start)
    return {"graph": before, "product": sorted(spent)[len(spent) // 2], "all": sum(spent)}


def ours(model, batch, matrix):
    from eigenscape.landscape import top_eigenpairs
    from eigenscape.models import Objective

    start = time.process_time()
    objective = Objective(model, None, batch)
    before = time.process_time() - start
    start = time.process_time()
    found = top_eigenpairs(objective, matrix=matrix, tell=lambda line: print(line, file=sys.stderr))
    spent = time.process_time() - start
    kept = {"value": float(found.values[0]), "residual": float(found.residuals[0])}
    return {**kept, "products": found.products, "objective": before, "all": spent}


class Logits(torch.nn.Module):
    """The logits that predict the next tokens, ``(n, V)``, as curvlinops takes a model."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids):
        return self.model(input_ids=ids).logits[:, :-1].flatten(0, 1)


def curvlinops_products(model, batch, matrix):
    """Three products of curvlinops' operator, as SciPy's eigsh would ask for them."""
    from curvlinops import GGNLinearOperator, HessianLinearOperator

    kind = {"hessian": HessianLinearOperator, "ggn": GGNLinearOperator}[matrix]
    ids = batch["input_ids"]
    operator = kind(
        Logits(model),
        torch.nn.CrossEntropyLoss(),
        list(model.parameters()),
        [(ids, ids[:, 1:].flatten())],
        check_deterministic=False,
    ).to_scipy()
    vector = torch.randn(operator.shape[1]).numpy()
    spent = []
    for _ in range(3):
        start = time.process_time()
        try:
            operator @ vector
        except NotImplementedError as error:  # of an operation without a forward derivative
            return {"failed": str(error)}
        spent.append(time.process_time() - start)
    return {"product": sorted(spent)[1], "all": sum(spent)}


WAYS = {"bare": bare, "ours": ours, "curvlinops": curvlinops_products}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--matrix", default="hessian")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--way", choices=WAYS, help="in this process")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.way:
        torch.manual_seed(0)
        model, batch = model_of(args.model), batch_of(args.model, args.text, args.tokens)
        found = WAYS[args.way](model, batch, args.matrix)
        found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps(found))
        return
    print(f"{platform.machine()}, one thread, torch {torch.__version__}, {args.tokens} tokens")
    for way in args.ways:
        command = [sys.executable, __file__, args.model, args.text, "--way", way]
        command += ["--tokens", str(args.tokens), "--matrix", args.matrix]
        print(way, subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode())


if __name__ == "__main__":
    main()
