package org.ingrain.distill.export;

/** The formats that a {@link RunExport} writes. */
public enum ExportFormat {
    /** TRL's conversational prompt and completion; TRL trains only on the completion. */
    TRL,
    /** TRL's {@code messages}; unless {@code assistant_only_loss} is set, TRL also trains on the other messages. */
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
