package org.ingrain.server.answer;

import java.util.List;
import org.ingrain.sample.Completion;
import org.ingrain.sample.GeneratedToken;
import tools.jackson.databind.node.ObjectNode;

/** Builds the JSON of the choices in answers of one endpoint. A streamed choice consists of several parts. */
public interface ChoiceFormat {
    /** Prefix of the answer's id. */
    String idPrefix();

    /** Value of the field {@code object} in an answer that is not streamed. */
    String object();

    /** Value of the field {@code object} in a chunk of a stream. */
    String chunkObject();

    /** A choice that is not streamed. */
    ObjectNode whole(int choice, Completion completion);

    /** The part of a choice that comes before the generated text. It is null if there is no such part. */
    ObjectNode first(int choice);

    /** A part with generated text. */
    ObjectNode part(int choice, String text, List<GeneratedToken> tokens);

    /** The last part of a choice, with the text and the tokens that the earlier parts did not contain. */
    ObjectNode last(int choice, String text, List<GeneratedToken> tokens, Completion completion);

    /** The number of generated tokens that the usage reports for a finished choice. */
    int counted(Completion completion);
}
