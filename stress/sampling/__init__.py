"""Where the random numbers of a path come from, and samplers that go where losses are.

Every price process, reserve and factor consumes independent standard normals, an array `[T, n]` of
`T` steps and `n` columns a path. What is here draws those arrays, and nothing else:

    keys        the key of a path; plain pseudo-random normals
    sobol       scrambled Sobol points
    ordering    what the coordinates of a point move: time, bridge, principal components
    draws       plain, antithetic and Sobol normals of numbered paths
    tilt        shifted normals, their mixture and the likelihood ratio, stopped or not
    design      the most likely way to an event, by gradient
    line        integrals along one coordinate, the radius of a Student-t above all
    splitting   subset simulation with preconditioned Crank-Nicolson moves
    crossing    what happens between two times of the grid, by the Brownian bridge
"""
