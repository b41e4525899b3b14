package org.ingrain.distill.export;

/** The formats that a {@link RunExport} writes. */
public enum ExportFormat {
    /** TRL's format with {@code prompt} and {@code completion} as messages; TRL trains only on the completion. */
    TRL,
    /** TRL's {@code messages}. TRL trains on all messages, unless its option {@code assistant_only_loss} is set. */
    TRL_MESSAGES,
    /** Alpaca's instruction, input and output, with LLaMA-Factory's column {@code system} for a system prompt. */
    ALPACA,
    /** ShareGPT's {@code conversations}, with turns from human and gpt. */
    SHAREGPT,
    /** Pairs of a kept and a rejected answer, in TRL's columns {@code prompt}, {@code chosen}, {@code rejected}. */
    DPO,
    /** A folder with the training rows, the validation rows and a dataset card (README.md). */
    DATASET
}
