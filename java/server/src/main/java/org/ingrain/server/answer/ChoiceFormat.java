package org.ingrain.server.answer;

import java.util.List;
import org.ingrain.sample.Completion;
import org.ingrain.sample.GeneratedToken;
import tools.jackson.databind.node.ObjectNode;

/** Builds the JSON of choices for one endpoint. In a stream, a choice is a sequence of parts. */
public interface ChoiceFormat {
    /** Prefix of the answer's id. */
    String idPrefix();

    /** Value of the field {@code object} in an answer that is not streamed. */
    String object();

    /** Value of the field {@code object} in a chunk of a stream. */
    String chunkObject();

    /** A whole choice. */
    ObjectNode whole(int choice, Completion completion);

    /** The part of a choice that comes before the generated text; null if there is none. */
    ObjectNode first(int choice);

    /** A part with generated text. */
    ObjectNode part(int choice, String text, List<GeneratedToken> tokens);

    /** The last part of a choice, with the text and the tokens that the earlier parts did not contain. */
    ObjectNode last(int choice, String text, List<GeneratedToken> tokens, Completion completion);

    /** For a finished choice, the number of tokens that the usage counts. */
    int counted(Completion completion);
}
