"""The words of the page, explained for newcomers."""

GLOSSARY = (
    (
        "eigenvalue, spectrum",
        "The squared singular values of a weight matrix W, that is the eigenvalues of W Wᵀ. Their "
        "distribution is the layer's spectrum.",
    ),
    (
        "Marchenko-Pastur law",
        "The spectrum of a matrix with independent random entries: what a layer looks like at a "
        "usual random start, and some trained layers too. Only the matrix's shape and the size of "
        "its entries matter.",
    ),
    (
        "α, PL_Alpha_Hill",
        "How fast the top half of the spectrum falls off. A smaller number is a heavier tail. It "
        "depends on the matrix's shape, so compare it with the random value of the same shape.",
    ),
    (
        "random α, alpha_null",
        "The exact α of an infinite random matrix with the layer's own aspect ratio.",
    ),
    (
        "alpha_excess",
        "(α − 1) / (random α − 1). 1 is a random matrix; below 1 the tail is heavier. Above 1 the "
        "larger eigenvalues are more equal than those of a random matrix, as after an orthogonal "
        "start. Layers of different shapes can be compared by it; layers of different kinds differ "
        "in it whatever their training.",
    ),
    (
        "the interval of α",
        "How far α moves when the tail is taken a fifth shorter or longer, widened by twice the "
        "standard deviation between random matrices of this size.",
    ),
    (
        "KS α",
        "The exponent of a power law fitted above the xmin with the smallest Kolmogorov-Smirnov "
        "distance, with two standard errors. Only for this α is there a published range: Martin "
        "and Mahoney (2021) report 2 to 6 for most layers of large pretrained models. A "
        "network inside of it need not be good, nor one outside bad.",
    ),
    (
        "spike",
        "An eigenvalue above the edge that independent random entries of the same size would have "
        "(of layers with normal or uniform entries at most one in a thousand has one; "
        "heavy-tailed entries have them without any training).",
    ),
    (
        "rows z, columns z (dispersion of norms)",
        "How much more the norms of a layer's rows (columns) differ than those of independent "
        "entries of one law, in standard deviations; below 0 they are more alike. Independent "
        "entries stay within 2 in 95 % of the layers, and nearly always within 5.",
    ),
    (
        "stable rank",
        "Sum of the eigenvalues over the largest: how many directions share the weight.",
    ),
    (
        "numerical rank",
        "Eigenvalues that are larger than rounding to the storage type could have made.",
    ),
    ("entropy", "How evenly the eigenvalues share the weight: 1 is flat, 0 a single direction."),
    (
        "Hessian, largest eigenvalue, trace",
        "The matrix of second derivatives of the loss in the parameters. Its largest eigenvalue is "
        "the curvature along the steepest direction, its trace the sum of all curvatures. Both "
        "depend on how the weights are scaled: compare networks of one kind only.",
    ),
    (
        "landscape, profile",
        "The loss on a grid of parameter settings around the model. In the profile each basin is "
        "as wide as the share of grid points in it below a loss; red dots are minima, orange ones "
        "the saddles where basins meet.",
    ),
)
