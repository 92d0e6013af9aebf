import { Logger } from '@valkey/valkey-glide';

// By itself GLIDE writes a line about each lost connection, and losing connections is what these tests are about.
Logger.init('off');
