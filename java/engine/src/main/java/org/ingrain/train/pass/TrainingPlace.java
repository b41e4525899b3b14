package org.ingrain.train.pass;

import org.ingrain.ffi.Communicator;
import org.ingrain.ffi.Context;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Rank;

/**
 * Where a rank stands in training: which share of the model it has, and in which replica of the model.
 *
 * @param config        of the model
 * @param shard         this rank's share of its replica
 * @param shardGroup    of the ranks that share the replica; null where one rank has all of it, or in a plan of memory
 * @param replica       from 0
 * @param replicas      that train together, each on micro-batches of its own
 * @param replicaGroup  of the ranks that have this share, one in each replica; null where there is one replica, or in a
 *                      plan of memory
 */
public record TrainingPlace(Blueprint config, Rank shard, Communicator shardGroup, int replica, int replicas,
        Communicator replicaGroup) {
    /** The one rank of the one replica. */
    public static TrainingPlace alone(Blueprint config) {
        return planned(config, Rank.SINGLE, 1);
    }

    /** For a plan of memory: a rank of the first replica. */
    static TrainingPlace planned(Blueprint config, Rank shard, int replicas) {
        return new TrainingPlace(config, shard, null, 0, replicas, null);
    }

    /** Runs work whose collectives are of {@link #replicaGroup}; those before and after are of {@link #shardGroup}. */
    void amongReplicas(Context context, Runnable work) {
        context.join(replicaGroup, replica);
        work.run();
        if (shardGroup != null) {
            context.join(shardGroup, shard.index());
        }
    }
}
