package org.ingrain.distill.export;

/** The formats that a {@link RunExport} writes. */
public enum ExportFormat {
    /** TRL's conversational prompt and completion; TRL trains on the completion only. */
    TRL,
    /** TRL's {@code messages}; TRL trains on the answer only with {@code assistant_only_loss}. */
    TRL_MESSAGES,
    /** Alpaca's instruction, input and output, with LLaMA-Factory's column {@code system} for a system prompt. */
    ALPACA,
    /** ShareGPT's {@code conversations}, with turns from human and gpt. */
    SHAREGPT,
    /** Pairs of a kept and a rejected answer: TRL's prompt, chosen and rejected. */
    DPO,
    /** A folder with the training rows, the validation rows and a card. */
    DATASET
}
