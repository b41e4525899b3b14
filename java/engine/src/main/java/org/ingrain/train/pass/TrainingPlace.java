package org.ingrain.train.pass;

import org.ingrain.ffi.Communicator;
import org.ingrain.ffi.Context;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Rank;

/**
 * The position of a rank in training, that is, its replica of the model and its shard of this replica.
 *
 * @param config        configuration of the model
 * @param shard         this rank's shard of its replica
 * @param shardGroup    communicator of the ranks of this replica; null if the replica is not sharded, or if this
 *                      object is used only for memory planning
 * @param replica       index of the replica, from 0
 * @param replicas      number of replicas; each replica computes its own micro-batches
 * @param replicaGroup  communicator of the ranks with the same shard in all replicas; null if there is only one
 *                      replica, or if this object is used only for memory planning
 */
public record TrainingPlace(Blueprint config, Rank shard, Communicator shardGroup, int replica, int replicas,
        Communicator replicaGroup) {
    /** Returns the position of the only rank of the only replica. */
    public static TrainingPlace alone(Blueprint config) {
        return planned(config, Rank.SINGLE, 1);
    }

    /** Returns the position of a rank in the first replica, for memory planning. The communicators are null. */
    static TrainingPlace planned(Blueprint config, Rank shard, int replicas) {
        return new TrainingPlace(config, shard, null, 0, replicas, null);
    }

    /** Joins {@link #replicaGroup}, runs work that calls the group's collectives, then rejoins {@link #shardGroup}. */
    void amongReplicas(Context context, Runnable work) {
        context.join(replicaGroup, replica);
        work.run();
        if (shardGroup != null) {
            context.join(shardGroup, shard.index());
        }
    }
}
