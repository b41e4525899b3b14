package org.ingrain.server.answer;

import java.util.List;
import org.ingrain.sample.Completion;
import org.ingrain.sample.GeneratedToken;
import tools.jackson.databind.node.ObjectNode;

/** The JSON of the choices of one kind of answer. A choice of a stream is a sequence of parts. */
public interface ChoiceFormat {
    /** Prefix of the answer's id. */
    String idPrefix();

    /** The object field of an answer. */
    String object();

    /** The object field of a part of a stream. */
    String chunkObject();

    /** A whole choice. */
    ObjectNode whole(int choice, Completion completion);

    /** The part of a choice that comes before the generated text; null if there is none. */
    ObjectNode first(int choice);

    /** A part with generated text. */
    ObjectNode part(int choice, String text, List<GeneratedToken> tokens);

    /** The last part of a choice, with the text that no other part contained. */
    ObjectNode last(int choice, String text, List<GeneratedToken> tokens, Completion completion);

    /** Number of tokens of a finished choice that are part of the answer. */
    int counted(Completion completion);
}
