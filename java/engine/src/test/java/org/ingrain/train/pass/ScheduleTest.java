package org.ingrain.train.pass;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Compares the learning rates of eight steps with get_scheduler of transformers 5.18, for a learning rate of 3e-4. */
class ScheduleTest {
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            CONSTANT | 0 | 0   | 0.0003 0.0003 0.0003 0.0003 0.0003 0.0003 0.0003 0.0003
            CONSTANT | 3 | 0   | 0 1e-4 2e-4 0.0003 0.0003 0.0003 0.0003 0.0003
            LINEAR   | 0 | 0   | 0.0003 0.0002625 0.000225 0.0001875 0.00015 0.0001125 7.5e-05 3.75e-05
            LINEAR   | 3 | 0   | 0 1e-4 2e-4 0.0003 0.00024 0.00018 0.00012 6e-05
            COSINE   | 0 | 0   | 0.0003 0.000288581929876693 0.00025606601717798207 0.00020740251485476345 0.00015 \
            9.259748514523653e-05 4.3933982822017876e-05 1.1418070123306989e-05
            COSINE   | 3 | 0   | 0 1e-4 2e-4 0.0003 0.0002713525491562421 0.0001963525491562421 0.0001036474508437579 2.8647450843757897e-05
            COSINE   | 0 | 0.2 | 0.0003 0.00029086554390135436 0.0002648528137423857 0.00022592201188381076 0.00018 \
            0.00013407798811618924 9.51471862576143e-05 6.913445609864558e-05
            COSINE   | 3 | 0.2 | 0 1e-4 2e-4 0.0003 0.00027708203932499373 0.00021708203932499365 0.00014291796067500632 8.291796067500631e-05
            """)
    void followsTransformers(Schedule schedule, int warmup, double ratio, String expected) {
        OptimizerConfig config = new OptimizerConfig(3e-4, 0.9, 0.999, 1e-8, 0, 1, schedule, warmup, ratio);
        String[] rates = expected.split(" +");
        for (int step = 1; step <= rates.length; step++) {
            assertEquals(Double.parseDouble(rates[step - 1]), config.learningRate(step, rates.length), 1e-17,
                    "step " + step);
        }
    }
}
