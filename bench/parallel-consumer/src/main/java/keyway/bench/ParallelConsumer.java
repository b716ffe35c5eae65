package keyway.bench;

import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.vertx.VertxParallelEoSStreamProcessor;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.buffer.Buffer;
import io.vertx.ext.web.client.HttpResponse;
import io.vertx.ext.web.client.WebClient;
import io.vertx.ext.web.client.WebClientOptions;
import io.vertx.ext.web.client.predicate.ResponsePredicate;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Delivers a topic's records to an HTTP endpoint with Confluent Parallel Consumer: the value of each
 * as the body of a POST, in order per key. An answer other than 2xx, like a request that fails, makes
 * the record fail, and the library tries it again after a second.
 *
 * <p>It runs until it is killed. SIGTERM ends it at once, with what is in flight: a bench needs no
 * drain.
 */
public final class ParallelConsumer {
    private static final int TUNED_EVENT_LOOPS = 8;

    /** Records that are read ahead, of all keys together. */
    private static final int TUNED_BUFFER = 20_000;

    private record Settings(
            String brokers, String topic, String group, String host, int port, int inFlight, boolean tuned) {

        static Settings of(String[] arguments) {
            if (arguments.length != 6 || !List.of("stock", "tuned").contains(arguments[5])) {
                throw new IllegalArgumentException("arguments: BROKERS TOPIC GROUP HOST:PORT IN_FLIGHT stock|tuned");
            }
            int colon = arguments[3].lastIndexOf(':');
            return new Settings(
                    arguments[0],
                    arguments[1],
                    arguments[2],
                    arguments[3].substring(0, colon),
                    Integer.parseInt(arguments[3].substring(colon + 1)),
                    Integer.parseInt(arguments[4]),
                    arguments[5].equals("tuned"));
        }
    }

    private ParallelConsumer() {}

    public static void main(String[] arguments) throws InterruptedException {
        // Read by the logger once, before its first line.
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
        Settings settings = Settings.of(arguments);
        var processor = settings.tuned() ? tuned(settings) : stock(settings);
        processor.subscribe(List.of(settings.topic()));
        processor.vertxHttpWebClient((client, context) -> post(client, settings, context.value()), sent -> {});
        while (!processor.isClosedOrFailed()) {
            Thread.sleep(200);
        }
        System.err.println("Parallel Consumer ended: " + processor.getFailureCause());
        // Vert.x has threads that would keep a process alive that does nothing any more.
        System.exit(1);
    }

    private static Future<HttpResponse<Buffer>> post(WebClient client, Settings settings, byte[] value) {
        return client.post(settings.port(), settings.host(), "/")
                .expect(ResponsePredicate.SC_SUCCESS)
                .sendBuffer(value == null ? Buffer.buffer() : Buffer.buffer(value));
    }

    /** As the documentation shows it. The library's own client has a pool as large as its concurrency. */
    private static VertxParallelEoSStreamProcessor<String, byte[]> stock(Settings settings) {
        return new VertxParallelEoSStreamProcessor<>(options(settings).build());
    }

    private static VertxParallelEoSStreamProcessor<String, byte[]> tuned(Settings settings) {
        Vertx vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(TUNED_EVENT_LOOPS));
        WebClientOptions client = new WebClientOptions()
                .setMaxPoolSize(settings.inFlight())
                // All requests come from one thread, and without this all connections go to one loop.
                .setPoolEventLoopSize(TUNED_EVENT_LOOPS)
                .setKeepAlive(true)
                .setPipelining(false);
        return new VertxParallelEoSStreamProcessor<>(
                vertx,
                WebClient.create(vertx, client),
                options(settings).messageBufferSize(TUNED_BUFFER).build());
    }

    private static ParallelConsumerOptions.ParallelConsumerOptionsBuilder<String, byte[]> options(Settings settings) {
        Map<String, Object> consumer = Map.of(
                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, settings.brokers(),
                ConsumerConfig.GROUP_ID_CONFIG, settings.group(),
                ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
                ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        return ParallelConsumerOptions.<String, byte[]>builder()
                .consumer(new KafkaConsumer<>(consumer, new StringDeserializer(), new ByteArrayDeserializer()))
                .ordering(ProcessingOrder.KEY)
                .maxConcurrency(settings.inFlight());
    }
}
