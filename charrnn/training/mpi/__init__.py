"""Training on many machines, or in many processes of one, by MPI: the streams of a batch are divided among ranks.

The first rank leads: it alone prepares the text, runs the trainer, prints, saves and decides. The others follow: each
is sent its part of the text once, and keeps it; then they wait for what they are told, and each tells its part of the
answer. So a step is the same as on one machine, but that

1. each rank reads the chunk of its streams, and computes their gradient (in workers of its own, if it has any);
2. each sends every other the stretch of its gradient that the other is to update, and adds up what it is sent in the
   order of the ranks, always the same: so the bits do not depend on how an MPI would add;
3. each updates its stretch, with the optimizer's memory of it, and sends the new weights to all.

The two exchanges move what an all-reduce of the gradient moves, and the update is divided too. As the weights of a
stretch are computed once and sent, all ranks have the same bits, whatever their processors. What the optimizer
remembers and the streams' states are brought together where they are asked for: when the run is saved.

`mpi4py` is imported in this folder alone, and this folder only where a launcher such as ``mpirun`` has started the
program.
"""
